import type { IncomingMessage, ServerResponse } from 'node:http';

export interface SilenceOptions {
  /** How long a client may be silent while it is its turn. */
  readonly idleMs: number;
  /** Whether the client waits to be asked for the body. */
  isAsking(): boolean;
}

/**
 * Ends the connection of a client that has fallen silent in the middle of a request. While it is us who take their time, with a
 * disk that is slow to sync, it has done nothing wrong. Returns what is to be called before the answer is sent: from
 * then on it is the client's turn.
 */
export function watchSilence(
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  { idleMs, isAsking }: SilenceOptions,
): () => void {
  const again = () => request.socket.setTimeout(idleMs);
  const decide = () => {
    // All that was sent is here, or waits for us to read on.
    const isOurTurn = isAsking() || request.complete || request.readableLength > 0;
    if (isOurTurn) again();
    else request.socket.destroy();
  };
  response.on('timeout', decide);
  return () => {
    response.off('timeout', decide);
    again();
  };
}
