import { sendDatagram } from './sockets.ts';

/** What a service manager (systemd) may be told, by its own names; see sd_notify(3). */
export interface Notice {
  /** `ready`, `stopping`, or that the process is alive and well. */
  readonly state: 'READY=1' | 'STOPPING=1' | 'WATCHDOG=1';
  /** A line for `systemctl status`. */
  readonly status?: string;
}

/** The service manager that has started this process and wants to hear from it. */
export interface ServiceManager {
  /** Throws ERR_SYSCALL where it does not listen. */
  notify(notice: Notice): void;
  /** How often it has to be told WATCHDOG=1, in ms: twice in the time after which it would end us. Null: never. */
  readonly watchdogMs: number | null;
}

const US_PER_MS = 1000;
/** The manager's own advice: half the time, so that one late tick does no harm. */
const TICKS = 2;

/**
 * The service manager that the environment names, or null. Takes its variables out of the environment: they are for
 * this process alone.
 */
export function takeServiceManager(env: NodeJS.ProcessEnv, pid = process.pid): ServiceManager | null {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: us, WATCHDOG_PID: whose } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  if (socket === undefined || socket === '') return null;
  const isOurs = whose === undefined || Number(whose) === pid;
  const watchdogMs = isOurs && Number(us) > 0 ? Math.floor(Number(us) / US_PER_MS / TICKS) : null;
  return {
    watchdogMs,
    notify: ({ state, status }) => {
      const text = status === undefined ? state : `${state}\nSTATUS=${status}`;
      sendDatagram(socket, Buffer.from(text));
    },
  };
}
