import type { ServiceManager } from '../linux/service-manager.ts';
import type { Log } from '../telemetry/log.ts';

/** What the service manager hears of a worker, from its start to its end. */
export interface Supervised {
  ready(url: string): void;
  stopping(): void;
}

/**
 * Tells a service manager how the worker fares. The watchdog is fed by the event loop: a worker that hangs for as long as
 * the unit's WatchdogSec is ended by the manager and started again.
 */
export function supervised(manager: ServiceManager | null, log: Log): Supervised {
  const tell = (notice: Parameters<ServiceManager['notify']>[0]) => {
    try {
      manager?.notify(notice);
    } catch (err) {
      // Its own restart closes the socket for a moment; it asks no more of us than to go on.
      log.warn({ err, state: notice.state }, 'the service manager does not listen');
    }
  };
  return {
    ready(url) {
      tell({ state: 'READY=1', status: `serves at ${url}` });
      const { watchdogMs = null } = manager ?? {};
      if (watchdogMs !== null) setInterval(() => tell({ state: 'WATCHDOG=1' }), watchdogMs).unref();
    },
    stopping() {
      tell({ state: 'STOPPING=1', status: 'accepted requests may finish' });
    },
  };
}
