import { Folder } from "./folder.ts";
import { latin1 } from "./latin1.ts";
import { root } from "./processes.ts";

/** The result of a command with unusual standard streams. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

// Each script is for bash; "$@" is the command line, and $f a folder.
const fatal = (message: string) => `memcache-table: fatal: ${message}\n`;
const lines = 3000;

// Standard input is a TCP connection: two lines, then the command `then`.
const connected = (then: string) =>
  "perl -MSocket -e 'socket($_, PF_INET, SOCK_STREAM, 0) for *L, *C; " +
  "bind(L, sockaddr_in(0, INADDR_LOOPBACK)); listen(L, 1); " +
  'connect(C, getsockname(L)); accept(S, L); syswrite(S, "1\\n2\\n"); ' +
  `${then}; close(S); open(STDIN, "<&C"); exec @ARGV\'`;

/** Unusual standard streams, and the expected result on all runtimes. */
export const oddStreams: Record<string, Outcome & { script: string }> = {
  "standard input is a directory": {
    script: '"$@" -q - static:v </',
    code: 1,
    stdout: "",
    stderr: fatal("standard input: it is a directory"),
  },
  "standard input of -i is a directory": {
    script: '"$@" -i memcache:{memcache=inet:127.0.0.1:1} </',
    code: 1,
    stdout: "",
    stderr: fatal("standard input: it is a directory"),
  },
  "standard input is closed": {
    script: '"$@" -q - static:v <&-',
    code: 1,
    stdout: "",
    stderr: "",
  },
  "standard input is open for writing only": {
    script: '"$@" -q - static:v 0>$f/file',
    code: 1,
    stdout: "",
    stderr: fatal("standard input: it is not open in this direction"),
  },
  "standard input is a file that was read from": {
    script:
      'printf "1\\n2\\n3" >$f/file; { read -r line; "$@" -q - static:v; } <$f/file',
    code: 0,
    stdout: "2\tv\n3\tv\n",
    stderr: "",
  },
  "standard input is a device": {
    script: '"$@" -q - static:v </dev/zero',
    code: 1,
    stdout: "",
    stderr: fatal("standard input: a line is longer than 1048576 bytes"),
  },
  "standard input is a connection": {
    script: `${connected("shutdown(S, 1)")} "$@" -q - static:v`,
    code: 0,
    stdout: "1\tv\n2\tv\n",
    stderr: "",
  },
  "standard input is a connection that was reset": {
    script:
      `${
        connected('setsockopt(S, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))')
      } ` +
      '"$@" -q - static:v',
    code: 1,
    stdout: "",
    stderr: fatal("standard input: the other end broke the connection off"),
  },
  "standard input is a socket that listens": {
    script: "perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); " +
      'listen(S, 1); open(STDIN, "<&S"); exec @ARGV\' "$@" -q - static:v',
    code: 1,
    stdout: "",
    stderr: fatal("standard input: it is a socket without a connection"),
  },
  "standard input does not wait": {
    script: "{ echo 1; echo 2; } | perl -MFcntl -e 'fcntl(STDIN, F_SETFL, " +
      'O_NONBLOCK); exec @ARGV\' "$@" -q - static:v',
    code: 0,
    stdout: "1\tv\n2\tv\n",
    stderr: "",
  },
  "standard output is full": {
    script: '"$@" -q k static:v >/dev/full',
    code: 1,
    stdout: "",
    stderr: fatal("standard output: no space left on the device"),
  },
  "standard output of --help is full": {
    script: '"$@" --help >/dev/full',
    code: 1,
    stdout: "",
    stderr: fatal("standard output: no space left on the device"),
  },
  "standard output is closed": {
    script: '"$@" -q k static:v >&-',
    code: 0,
    stdout: "",
    stderr: "",
  },
  "the reader of standard output is gone": {
    script:
      'mkfifo $f/pipe; : <$f/pipe & exec 3>$f/pipe; wait; "$@" -q k static:v >&3',
    code: 141,
    stdout: "",
    stderr: "",
  },
  "standard output does not wait": {
    script:
      `seq ${lines} | perl -MFcntl -e 'fcntl(STDOUT, F_SETFL, O_NONBLOCK); ` +
      `exec @ARGV' "$@" -q - static:${"v".repeat(50)} | ` +
      "{ n=0; while read -r _; do n=$((n+1)); done; echo $n; }",
    code: 0,
    stdout: `${lines}\n`,
    stderr: "",
  },
  "standard error does not wait": {
    script:
      `yes no-value | head -n ${lines} | perl -MFcntl -e 'fcntl(STDERR, ` +
      `F_SETFL, O_NONBLOCK); exec @ARGV' "$@" -i ` +
      "memcache:{memcache=inet:127.0.0.1:1} 2>&1 >/dev/null | " +
      "{ n=0; while read -r _; do n=$((n+1)); done; echo $n; }",
    code: 1,
    stdout: `${lines}\n`,
    stderr: "",
  },
  "standard error is closed": {
    script: '"$@" -q k nosuch:v 2>&-',
    code: 1,
    stdout: "",
    stderr: "",
  },
  "standard error is full": {
    script: '"$@" -q k inline:{k=} 2>/dev/full',
    code: 0,
    stdout: "\n",
    stderr: "",
  },
};

/**
 * Runs a command line with each of them. Returns the results.
 */
export async function runWithOddStreams(
  command: readonly string[],
): Promise<Record<string, Outcome>> {
  const outcomes: Record<string, Outcome> = {};
  for (const [name, { script }] of Object.entries(oddStreams)) {
    await using folder = await Folder.make();
    const wholeScript = `f=$0; set -o pipefail; ${script}`;
    const { code, stdout, stderr } = await new Deno.Command("timeout", {
      args: ["60", "bash", "-c", wholeScript, folder.path, ...command],
      cwd: root,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    outcomes[name] = {
      code,
      stdout: latin1(stdout),
      stderr: latin1(stderr),
    };
  }
  return outcomes;
}
