import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { BucketConfig } from '../../src/config/load.ts';
import { testTools } from './test-tools.ts';

/** Another S3 server, `rclone serve s3`, with one bucket; it refuses who does not have the keys. */
export interface RcloneServer extends AsyncDisposable {
  readonly bucket: BucketConfig;
}

export async function startRclone(): Promise<RcloneServer> {
  const dir = await mkdtemp(join(tmpdir(), 'ol-rclone-'));
  await mkdir(join(dir, 'data', 'registry'), { recursive: true });
  const [accessKey, secretKey] = ['rclone-access', 'rclone-secret'];
  const args = [
    'serve',
    's3',
    '--addr',
    '127.0.0.1:0',
    '--auth-key',
    `${accessKey},${secretKey}`,
    join(dir, 'data'),
  ];
  const child = spawn(join(testTools(), 'bin', 'rclone'), args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { HOME: dir, RCLONE_CONFIG: join(dir, 'none') },
  });
  const exit = once(child, 'exit');
  const dispose = async () => {
    child.kill('SIGKILL');
    await exit;
    await rm(dir, { recursive: true });
  };
  try {
    const server = await Promise.race([addressIn(child.stderr), exit.then(ended)]);
    const bucket = { server, bucket: 'registry', region: 'us-east-1', accessKey, secretKey };
    return { bucket, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function addressIn(stderr: NodeJS.ReadableStream): Promise<string> {
  const lines = createInterface({ input: stderr });
  for await (const line of lines) {
    const found = /\[?(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (found === undefined) continue;
    // Read on, or it waits when the pipe is full.
    stderr.resume();
    return found;
  }
  throw new Error('rclone said no address');
}

function ended(): never {
  throw new Error('rclone has ended');
}
