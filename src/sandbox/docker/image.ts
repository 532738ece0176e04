import { asked, type Daemon, isMissing } from '../../docker/client.ts';
import { refusedImage } from './about.ts';

/** Throws ERR_DOCKER_IMAGE where the image is not there, or can't be a sandbox; else what `asked` throws. */
export async function checkImage(daemon: Daemon, image: string): Promise<void> {
  const { Config } = await inspect(daemon, image);
  const volumes = Object.keys(Config.Volumes ?? {});
  if (volumes.length === 0) return;
  const reason = `it declares the volume ${volumes[0]}, which nothing would bound: use one without VOLUME`;
  throw refusedImage(image, reason);
}

async function inspect(daemon: Daemon, image: string) {
  try {
    return await asked(daemon, `looking for the image ${image}`, () =>
      daemon.docker.getImage(image).inspect(),
    );
  } catch (error) {
    if (!isMissing(error)) throw error;
    const remedy = `make the default one with \`admin image build\`, get this one with \`docker pull ${image}\`, or set docker_image`;
    throw refusedImage(image, `the daemon at ${daemon.socket} does not have it: ${remedy}`, error);
  }
}
