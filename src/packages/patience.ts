import type { Socket } from 'node:net';

/** Why somebody is not connected; the text is for whoever asked. */
export class Denied extends Error {
  override readonly name = 'Denied';
}

/** A connection that comes later is closed. */
export async function inTime(opening: Promise<Socket>, ms: number): Promise<Socket> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`no connection within ${ms} ms`));
    void opening.then((socket) => socket.destroy()).catch(() => {}); // nobody waits for it any more
  }, ms);
  try {
    return await Promise.race([opening, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Null where it can't be had, or not in time. */
export async function soon<T>(work: Promise<T>, ms: number): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(late.resolve, ms, null);
  try {
    return await Promise.race([work.catch(() => null), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
