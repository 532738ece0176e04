import type { SandboxRequest, SandboxResponse } from '../sandbox.ts';
import type { Workshop } from '../workshop.ts';
import type { DockerSandbox } from './docker-sandbox.ts';

/** A container that got the worker's own code, other bounds, and whose scratch directory somebody looks into when it is over. */
export class DockerWorkshop implements Workshop {
  readonly #sandbox: DockerSandbox;
  readonly #taken: () => void;

  /** `taken` is called when the scratch directory may go. */
  constructor(sandbox: DockerSandbox, taken: () => void) {
    this.#sandbox = sandbox;
    this.#taken = taken;
  }

  request(request: SandboxRequest): Promise<SandboxResponse> {
    return this.#sandbox.request(request);
  }

  abort(): void {
    void this.#sandbox.destroy('the worker ends');
  }

  async finish(take: (scratchDir: string) => Promise<void>): Promise<void> {
    void this.#sandbox.destroy('its work is done');
    // With its first process, all others have ended: nobody changes any more what is looked at now.
    await this.#sandbox.stopped;
    await take(this.#sandbox.scratchDir);
  }

  async close(): Promise<void> {
    void this.#sandbox.destroy('its work is done');
    this.#taken();
    await this.#sandbox.dead;
  }
}
