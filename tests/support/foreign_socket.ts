/** Kinds of sockets that another program may have. */
export type SocketKind = "full" | "datagram" | "sequenced" | "dead";

// In Perl, because Deno, Node and Bun cannot make them.
const script = `
use Socket;
my ($kind, $path) = @ARGV;
my $type = $kind eq "datagram" ? SOCK_DGRAM
  : $kind eq "sequenced" ? SOCK_SEQPACKET : SOCK_STREAM;
socket(my $server, PF_UNIX, $type, 0) or die $!;
bind($server, sockaddr_un($path)) or die $!;
exit if $kind eq "dead";
listen($server, 0) if $kind ne "datagram";
my @clients;
while ($kind eq "full") {
  socket(my $client, PF_UNIX, SOCK_STREAM | 04000, 0) or die $!;
  connect($client, sockaddr_un($path)) or last;
  push @clients, $client;
}
$| = 1;
print "ready\\n";
sleep 600;
`;

/** A socket of another program that accepts no connection. */
export class ForeignSocket implements AsyncDisposable {
  #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** Makes a socket, and waits until it exists. */
  static async make(kind: SocketKind, path: string): Promise<ForeignSocket> {
    const child = new Deno.Command("perl", {
      args: ["-e", script, kind, path],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    // The script prints a line when it is ready, or ends.
    await reader.read();
    await reader.cancel();
    return new ForeignSocket(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
  }
}

/** Connects to a TCP server `count` times, and resets each connection at once. */
export async function resetConnections(
  endpoint: string,
  count: number,
): Promise<void> {
  const [, host, port] = endpoint.split(":");
  const { success } = await new Deno.Command("perl", {
    args: ["-MSocket", "-e", resets, host, port, `${count}`],
    stdin: "null",
  }).output();
  if (!success) throw new Error("cannot connect");
}

const resets = `
my ($host, $port, $count) = @ARGV;
for (1..$count) {
  socket(my $client, PF_INET, SOCK_STREAM, 0) or die $!;
  setsockopt($client, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)) or die $!;
  connect($client, sockaddr_in($port, inet_aton($host))) or die $!;
  close($client);
}
`;
