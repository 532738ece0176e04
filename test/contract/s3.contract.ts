import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BucketConfig } from '../../src/config/load.ts';
import { connectTo, refusalOf } from '../helpers/s3-client.ts';

/** A server with one empty bucket. */
export interface S3Fixture {
  readonly bucket: BucketConfig;
  dispose(): Promise<void>;
}

interface As {
  readonly accessKey?: string;
  readonly secretKey?: string;
  readonly clockOffsetMs?: number;
}

const OTHER_CLOCKS: readonly (readonly [string, As, string])[] = [
  ['an old date', { clockOffsetMs: -3_600_000 }, 'RequestTimeTooSkewed'],
  ['a date to come', { clockOffsetMs: 3_600_000 }, 'RequestTimeTooSkewed'],
];

/**
 * What this project needs of an S3 server. `isStrict` asks for more: what S3 itself does, and ours has to, but that another
 * server may leave out without harm to a worker or to `admin`.
 */
export function describeS3Contract(
  name: string,
  make: () => Promise<S3Fixture>,
  { isStrict }: { readonly isStrict: boolean },
): void {
  describe(`S3 server: ${name}`, () => {
    const strictly = (title: string, body: () => Promise<void>) => {
      if (isStrict) test(title, body);
    };
    let fixture: S3Fixture;
    let client: S3Client;
    let Bucket: string;

    function connect({ clockOffsetMs = 0, ...keys }: As = {}): S3Client {
      const { bucket } = fixture;
      return connectTo({ ...bucket, ...keys }, { maxAttempts: 1, systemClockOffset: clockOffsetMs });
    }

    const put = (Key: string, Body: string, more = {}) =>
      client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
    const get = async (Key: string, more = {}) => {
      const answer = await client.send(new GetObjectCommand({ Bucket, Key, ...more }));
      return (await answer.Body?.transformToString()) ?? '';
    };

    beforeAll(async () => {
      fixture = await make();
      Bucket = fixture.bucket.bucket;
      client = connect();
    });
    afterAll(async () => {
      client.destroy();
      await fixture.dispose();
    });

    test('what is put is given back, with its metadata', async () => {
      await put('greeting', 'hello', { ContentType: 'text/plain', Metadata: { who: 'Alice' } });
      expect(await get('greeting')).toBe('hello');
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'greeting' }));
      expect(head).toMatchObject({
        ContentLength: 5,
        ContentType: 'text/plain',
        ETag: '"5d41402abc4b2a76b9719d911017c592"',
        Metadata: { who: 'Alice' },
      });
    });

    strictly('keys that would be odd as file names do not meet', async () => {
      const keys = ['odd/a', 'odd/a/b', 'odd/A', 'odd/ä+ %', `odd/${'x'.repeat(900)}`];
      for (const key of keys) await put(key, `in ${key}`);
      for (const key of keys) expect(await get(key)).toBe(`in ${key}`);
    });

    strictly('a range is a part of it', async () => {
      await put('digits', '0123456789');
      expect(await get('digits', { Range: 'bytes=2-4' })).toBe('234');
      expect(await get('digits', { Range: 'bytes=-3' })).toBe('789');
      expect((await refusalOf(get('digits', { Range: 'bytes=10-' })))[0]).toBe(416);
    });

    strictly('an object that has not changed is not sent again', async () => {
      const { ETag } = await put('same', 'same');
      expect((await refusalOf(get('same', { IfNoneMatch: ETag })))[0]).toBe(304);
      expect((await refusalOf(get('same', { IfMatch: '"other"' })))[0]).toBe(412);
    });

    test('what is deleted is gone, once or twice', async () => {
      await put('gone', 'x');
      for (let time = 0; time < 2; time++)
        await client.send(new DeleteObjectCommand({ Bucket, Key: 'gone' }));
      expect(await refusalOf(get('gone'))).toEqual([404, 'NoSuchKey']);
    });

    strictly('many are deleted at once', async () => {
      await put('many/1', 'x');
      await put('many/2', 'x');
      const Objects = [{ Key: 'many/1' }, { Key: 'many/2' }];
      await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      const left = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'many/' }));
      expect(left.KeyCount).toBe(0);
    });

    test('a listing has pages and common prefixes, in order', async () => {
      for (const key of ['list/a', 'list/b/1', 'list/b/2', 'list/c']) await put(key, 'x');
      const found: (string | undefined)[] = [];
      let token: string | undefined;
      do {
        const page = await client.send(
          new ListObjectsV2Command({
            Bucket,
            Prefix: 'list/',
            Delimiter: '/',
            MaxKeys: 1,
            ContinuationToken: token,
          }),
        );
        found.push(...(page.Contents ?? []).map(({ Key }) => Key));
        found.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix));
        token = page.NextContinuationToken;
      } while (token !== undefined);
      expect(found).toEqual(['list/a', 'list/b/', 'list/c']);
    });

    strictly('a stream is uploaded in parts', async () => {
      const piece = Buffer.alloc(1024 * 1024, 'p');
      const Body = Readable.from(Array.from({ length: 12 }, () => piece));
      await new Upload({ client, params: { Bucket, Key: 'large', Body } }).done();
      const answer = await client.send(new GetObjectCommand({ Bucket, Key: 'large' }));
      const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
      expect(bytes.equals(Buffer.alloc(12 * 1024 * 1024, 'p'))).toBe(true);
      expect(answer.ETag).toMatch(/^"[0-9a-f]{32}-3"$/);
    });

    test('an upload that is aborted leaves no object', async () => {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'aborted' }));
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'aborted', UploadId }));
      expect(await refusalOf(get('aborted'))).toEqual([404, 'NoSuchKey']);
    });

    test.each<readonly [string, As, string]>([
      ['a wrong secret', { secretKey: 'wrong' }, 'SignatureDoesNotMatch'],
      ['an unknown key', { accessKey: 'nobody' }, 'InvalidAccessKeyId'],
      ...(isStrict ? OTHER_CLOCKS : []),
    ])('%s is refused', async (_, as, code) => {
      const other = connect(as);
      const answer = await refusalOf(other.send(new PutObjectCommand({ Bucket, Key: 'refused', Body: 'x' })));
      other.destroy();
      expect(answer).toEqual([403, code]);
      expect(await refusalOf(get('refused'))).toEqual([404, 'NoSuchKey']);
    });

    strictly('nothing is told without a signature', async () => {
      await put('secret', 'x');
      expect((await fetch(`${fixture.bucket.server}/${Bucket}/secret`)).status).toBe(403);
    });

    /** Changes a request after it was signed. */
    function tampered(
      change: (request: { body: unknown; headers: Record<string, string> }) => void,
    ): S3Client {
      const other = connect();
      other.middlewareStack.add(
        (next) => (args) => {
          change(args.request as { body: unknown; headers: Record<string, string> });
          return next(args);
        },
        { step: 'finalizeRequest', priority: 'low', name: 'tamper' },
      );
      return other;
    }

    strictly('a changed body is refused', async () => {
      const other = tampered((request) => {
        request.body = 'evil!';
      });
      const answer = await refusalOf(
        other.send(new PutObjectCommand({ Bucket, Key: 'changed', Body: 'good!' })),
      );
      other.destroy();
      expect(answer).toEqual([403, 'XAmzContentSHA256Mismatch']);
      expect(await refusalOf(get('changed'))).toEqual([404, 'NoSuchKey']);
    });

    test('a changed header is refused', async () => {
      const other = tampered(({ headers }) => {
        headers['x-amz-meta-who'] = 'Mallory';
      });
      const command = new PutObjectCommand({ Bucket, Key: 'changed', Body: 'x', Metadata: { who: 'Alice' } });
      const answer = await refusalOf(other.send(command));
      other.destroy();
      expect(answer).toEqual([403, 'SignatureDoesNotMatch']);
    });

    strictly('a presigned URL holds until it expires', async () => {
      await put('signed', 'x');
      const command = new GetObjectCommand({ Bucket, Key: 'signed' });
      const url = await getSignedUrl(client, command, { expiresIn: 60 });
      expect(await (await fetch(url)).text()).toBe('x');
      const signingDate = new Date(Date.now() - 120_000);
      const old = await getSignedUrl(client, command, { expiresIn: 60, signingDate });
      expect((await fetch(old)).status).toBe(403);
      expect((await fetch(url.replace('signed?', 'other?'))).status).toBe(403);
    });
  });
}
