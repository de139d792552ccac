// Makes the units of systemd: a service for each file of settings, and the removal
// of expired entries with its timer.

/** What a service may do: nothing but what a table needs. */
const sandbox = [
  "CapabilityBoundingSet=",
  "LockPersonality=yes",
  "NoNewPrivileges=yes",
  "PrivateDevices=yes",
  "PrivateTmp=yes",
  "ProtectControlGroups=yes",
  "ProtectHome=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectSystem=strict",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
  "RestrictNamespaces=yes",
  "RestrictSUIDSGID=yes",
  "SystemCallFilter=@system-service",
];

// Deno keeps its compiled code there, so that it starts faster.
const user = [
  "User=memcache-table",
  "Group=memcache-table",
  "Environment=DENO_DIR=/var/cache/memcache-table",
  "CacheDirectory=memcache-table",
  "StateDirectory=memcache-table",
  "RuntimeDirectory=memcache-table",
  "RuntimeDirectoryPreserve=yes",
];

function settings(names: readonly string[]): string[] {
  return [
    "# Settings: /etc/memcache-table/NAME.conf, for the unit of that NAME.",
    ...names.map((line) => `#   ${line}`),
  ];
}

/**
 * The start of a command line in a unit. An executable may not have a quote in its
 * name, but the command is a script.
 */
function commandOf(path: string): string {
  if (/^[\w./+-]+$/.test(path)) return path;
  const escaped = path.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%");
  return `/bin/sh "${escaped}"`;
}

/** The units, by their file names. `path` is that of the command. */
export function units(path: string): Record<string, string> {
  const program = commandOf(path);
  const file = "EnvironmentFile=/etc/memcache-table/%i.conf";
  const all: Record<string, string[]> = {
    "memcache-table@.service": [
      ...settings([
        "TABLES=aliases=memcache:/etc/postfix/aliases.cf",
        "OPTIONS=--socketmap inet:127.0.0.1:10027",
      ]),
      "# Several tables have spaces between them. In main.cf:",
      "#   virtual_alias_maps = socketmap:inet:127.0.0.1:10027:aliases",
      "",
      "[Unit]",
      "Description=Tables for Postfix (%i)",
      `Documentation=man:memcache-table(1)`,
      "After=network.target memcached.service",
      "Before=postfix.service",
      "",
      "[Service]",
      file,
      ...user,
      // A server that is down is no reason not to start: the backup answers.
      `ExecStartPre=${program} check --offline $TABLES`,
      `ExecStart=${program} serve $OPTIONS $TABLES`,
      "ExecReload=/bin/kill -HUP $MAINPID",
      "Restart=on-failure",
      "RestartSec=5",
      ...sandbox,
      "",
      "[Install]",
      "WantedBy=multi-user.target",
    ],
    "memcache-table-cleanup@.service": [
      ...settings([
        "CLEANUP=--postscreen memcache:/etc/postfix/postscreen.cf",
      ]),
      "",
      "[Unit]",
      "Description=Removes expired entries of a cache of Postfix (%i)",
      `Documentation=man:memcache-table(1)`,
      "After=network.target memcached.service",
      "",
      "[Service]",
      "Type=oneshot",
      file,
      ...user,
      `ExecStart=${program} cleanup $CLEANUP`,
      ...sandbox,
    ],
    "memcache-table-cleanup@.timer": [
      "[Unit]",
      "Description=Removes expired entries of a cache of Postfix twice a day (%i)",
      "",
      "[Timer]",
      "OnCalendar=*-*-* 00,12:09:00",
      "RandomizedDelaySec=10min",
      "Persistent=yes",
      "",
      "[Install]",
      "WantedBy=timers.target",
    ],
  };
  return Object.fromEntries(
    Object.entries(all).map(([name, lines]) => [name, lines.join("\n") + "\n"]),
  );
}
