import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedS3, startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { testTools, whyNoTestTools } from '../helpers/test-tools.ts';
import { run } from '../integration/run-admin.ts';

/** Larger than what these clients send in one part. */
const LARGE = 12 * 1024 * 1024;

const BOTO = `
import json, os, sys
import boto3
from botocore.exceptions import ClientError
url, directory = sys.argv[1:]
client = boto3.client('s3', endpoint_url=url, region_name='us-east-1')
wrong = boto3.client('s3', endpoint_url=url, region_name='us-east-1', aws_access_key_id=os.environ['AWS_ACCESS_KEY_ID'], aws_secret_access_key='wrong')
said = {}
client.put_object(Bucket='registry', Key='small', Body=b'hello', Metadata={'colour': 'blue'})
answer = client.get_object(Bucket='registry', Key='small')
said['small'] = [answer['Body'].read().decode(), answer['Metadata']]
said['range'] = client.get_object(Bucket='registry', Key='small', Range='bytes=1-3')['Body'].read().decode()
client.upload_file(directory + '/large', 'registry', 'large')
client.download_file('registry', 'large', directory + '/back')
said['keys'] = [one['Key'] for page in client.get_paginator('list_objects_v2').paginate(Bucket='registry', PaginationConfig={'PageSize': 1}) for one in page['Contents']]
try:
    wrong.put_object(Bucket='registry', Key='wrong', Body=b'x')
except ClientError as error:
    said['wrong'] = [error.response['ResponseMetadata']['HTTPStatusCode'], error.response['Error']['Code']]
client.create_bucket(Bucket='another')
said['buckets'] = [one['Name'] for one in client.list_buckets()['Buckets']]
client.delete_bucket(Bucket='another')
client.delete_objects(Bucket='registry', Delete={'Objects': [{'Key': 'small'}, {'Key': 'large'}]})
said['left'] = client.list_objects_v2(Bucket='registry')['KeyCount']
print(json.dumps(said))
`;

describe('other S3 clients, against the embedded server', () => {
  const missing = whyNoTestTools();
  let server: EmbeddedS3;
  let dir = '';
  let large: Buffer;
  beforeAll(async () => {
    server = await startEmbeddedS3();
    dir = await mkdtemp(join(tmpdir(), 'ol-s3-clients-'));
    large = Buffer.alloc(LARGE, 'large');
    await writeFile(join(dir, 'large'), large);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });
  beforeEach(({ skip }) => skip(missing !== null, missing ?? ''));

  async function python(...args: string[]): Promise<string> {
    const { accessKey, secretKey } = server.bucket;
    const settings = {
      PYTHONPATH: testTools(),
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_DEFAULT_REGION: 'us-east-1',
      HOME: dir,
    };
    const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const ran = await run('/usr/bin/env', ['-i', ...words, '/usr/bin/python3', ...args], dir);
    if (ran.status !== 0) throw new Error(ran.stderr);
    return ran.stdout;
  }
  const aws = (...args: string[]) =>
    python(join(testTools(), 'bin', 'aws'), '--endpoint-url', server.bucket.server, ...args);

  test('boto3 puts, gets, lists, deletes, and uploads in parts', async () => {
    expect(JSON.parse(await python('-c', BOTO, server.bucket.server, dir))).toEqual({
      small: ['hello', { colour: 'blue' }],
      range: 'ell',
      keys: ['large', 'small'],
      wrong: [403, 'SignatureDoesNotMatch'],
      buckets: ['another', 'registry'],
      left: 0,
    });
    expect((await readFile(join(dir, 'back'))).equals(large)).toBe(true);
  });

  test('the AWS command line copies there and back, lists, and removes', async () => {
    await aws('s3', 'cp', 'large', 's3://registry/from-aws');
    expect(await aws('s3', 'ls', 's3://registry/')).toMatch(new RegExp(`${LARGE} from-aws\n$`));
    await aws('s3', 'cp', 's3://registry/from-aws', 'from-aws');
    expect((await readFile(join(dir, 'from-aws'))).equals(large)).toBe(true);
    const head = await aws('s3api', 'head-object', '--bucket', 'registry', '--key', 'from-aws');
    expect(JSON.parse(head)).toMatchObject({ ContentLength: LARGE });
    await aws('s3', 'rm', 's3://registry/', '--recursive');
    expect(await aws('s3', 'ls', 's3://registry/').catch((error: Error) => error.message)).toBe('');
  });
});
