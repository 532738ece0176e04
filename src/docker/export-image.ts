import type { Readable } from 'node:stream';
import { OlError } from '../errors.ts';
import { asked, type Daemon, isMissing } from './client.ts';
import { removeContainer } from './containers.ts';

/**
 * Hands all files of an image, as one tar archive, to `take`. Nothing of the image is run. Throws ERR_DOCKER_IMAGE where the daemon
 * does not have it, what `asked` throws, and what `take` does.
 */
export async function exportImage(
  daemon: Daemon,
  image: string,
  take: (archive: Readable) => Promise<void>,
): Promise<void> {
  const id = await makeContainer(daemon, image);
  try {
    const container = daemon.docker.getContainer(id);
    const archive = await asked(daemon, `exporting ${image}`, () => container.export());
    await take(archive as Readable);
  } finally {
    await removeContainer(daemon, id);
  }
}

/** The daemon exports containers only; this one is never started. An image may name no command, and one has to be named. */
async function makeContainer(daemon: Daemon, image: string): Promise<string> {
  try {
    const options = { Image: image, Cmd: ['/bin/true'], NetworkDisabled: true };
    const made = await asked(daemon, `looking into ${image}`, () => daemon.docker.createContainer(options));
    return made.id;
  } catch (error) {
    if (!isMissing(error)) throw error;
    const reason = `the daemon at ${daemon.socket} does not have it: get it with \`docker pull ${image}\`, or build it`;
    throw new OlError('ERR_DOCKER_IMAGE', { image, reason }, { cause: error });
  }
}
