import { fileURLToPath } from 'node:url';
import { workerArgs } from './spawn.ts';

/** What a systemd unit for the workers of a cluster is made of. */
export interface UnitOptions {
  /** Absolute path of the cluster directory. */
  readonly cluster: string;
  /** What `shutdown_grace_ms` is. */
  readonly graceMs: number;
  /** The Node that runs the worker. */
  readonly node: string;
}

const COMPILE_CACHE = fileURLToPath(new URL('../../.cache/node', import.meta.url));
/** Beyond the grace: for sandboxes and cgroups to go. */
const STOP_EXTRA_S = 20;
const MS_PER_S = 1000;

/**
 * The text of a template unit: its instance `0` is worker 0. What is in it and why:
 *
 * - Type=notify, WatchdogSec: the worker tells when it serves, and that it is alive
 * - KillMode=mixed: SIGTERM is for the worker alone, which lets accepted requests finish; the rest goes with it
 * - Delegate: the worker makes cgroups for its sandboxes below its own
 * - Restart=on-failure: `admin kill` ends a worker for good
 */
export function unitText({ cluster, graceMs, node }: UnitOptions): string {
  const config = `${cluster}/config/worker-\0.json`;
  const log = `append:${cluster}/logs/worker-\0.out`;
  const command = [node, ...workerArgs(config)].map(quoted).join(' ');
  return `[Unit]
Description=OpenLambda worker %i of ${escaped(cluster)}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart=${command}
Environment=${quoted(`NODE_COMPILE_CACHE=${COMPILE_CACHE}`)}
WorkingDirectory=/
StandardOutput=${escaped(log)}
StandardError=${escaped(log)}
Restart=on-failure
RestartSec=1
WatchdogSec=30
TimeoutStartSec=120
TimeoutStopSec=${Math.ceil(graceMs / MS_PER_S) + STOP_EXTRA_S}
KillMode=mixed
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;
}

/** A percent sign is one of systemd's own; NUL stands for the number of the worker. */
function escaped(text: string): string {
  return text.replaceAll('%', '%%').replaceAll('\0', '%i');
}

function quoted(text: string): string {
  const inner = escaped(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$');
  return `"${inner}"`;
}
