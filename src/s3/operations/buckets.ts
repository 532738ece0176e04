import { type Answer, xmlAnswer } from '../answer.ts';
import { uriEncode } from '../auth/canonical.ts';
import { S3Error } from '../errors.ts';
import { listPage } from '../list.ts';
import { checkBucketConfiguration } from '../xml/documents.ts';
import type { Element } from '../xml/write.ts';
import { type Call, numberIn, readNoBody, readSmallBody } from './operation.ts';

const CONFIGURATION_MAX_BYTES = 16 * 1024;
const KEYS_MAX = 1000;
const OWNER: Element = [
  'Owner',
  [
    ['ID', 'openlambda'],
    ['DisplayName', 'openlambda'],
  ],
];

export async function listBuckets(call: Call): Promise<Answer> {
  await readNoBody(call);
  const buckets = call.buckets.list().map(
    ({ name, createdMs }): Element => [
      'Bucket',
      [
        ['Name', name],
        ['CreationDate', isoTime(createdMs)],
      ],
    ],
  );
  return xmlAnswer('ListAllMyBucketsResult', [OWNER, ['Buckets', buckets]]);
}

export async function createBucket(call: Call): Promise<Answer> {
  checkBucketConfiguration(await readSmallBody(call, CONFIGURATION_MAX_BYTES));
  await call.buckets.create(call.bucket);
  return { status: 200, headers: { location: `/${call.bucket}` } };
}

export async function headBucket(call: Call): Promise<Answer> {
  await readNoBody(call);
  call.buckets.get(call.bucket);
  return { status: 200 };
}

export async function deleteBucket(call: Call): Promise<Answer> {
  await readNoBody(call);
  await call.buckets.remove(call.bucket);
  for (const upload of call.uploads.list(call.bucket)) {
    await call.uploads.locked(upload, () => call.uploads.remove(upload));
  }
  return { status: 204 };
}

export async function bucketLocation(call: Call): Promise<Answer> {
  await readNoBody(call);
  call.buckets.get(call.bucket);
  // S3 says nothing for us-east-1, and all regions are one here.
  return xmlAnswer('LocationConstraint', '');
}

/** ListObjectsV2, and ListObjects, which differ in how they go on. */
export async function listObjects(call: Call): Promise<Answer> {
  await readNoBody(call);
  const { query } = call.request;
  const bucket = call.buckets.get(call.bucket);
  const isV2 = query.get('list-type') === '2';
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
  const maxKeys = numberIn(call, 'max-keys', KEYS_MAX, KEYS_MAX);
  const after = isV2 ? startOfPage(query) : (query.get('marker') ?? '');
  const page = listPage(bucket.keys, { prefix, delimiter, after, maxKeys });
  const encode = encoder(query);
  const contents = page.keys.map((key): Element => {
    const meta = bucket.look(key);
    if (meta === null) return null;
    return [
      'Contents',
      [
        ['Key', encode(key)],
        ['LastModified', isoTime(meta.modifiedMs)],
        ['ETag', `"${meta.etag}"`],
        ['Size', meta.size],
        query.get('fetch-owner') === 'true' || !isV2 ? OWNER : null,
        ['StorageClass', 'STANDARD'],
      ],
    ];
  });
  const prefixes = page.prefixes.map((one): Element => ['CommonPrefixes', [['Prefix', encode(one)]]]);
  return xmlAnswer('ListBucketResult', [
    ['Name', bucket.name],
    ['Prefix', encode(prefix)],
    delimiter === '' ? null : ['Delimiter', encode(delimiter)],
    ['MaxKeys', maxKeys],
    query.get('encoding-type') === 'url' ? ['EncodingType', 'url'] : null,
    ['IsTruncated', page.next !== null],
    ...(isV2 ? v2Fields(query, page, encode) : v1Fields(query, page, encode)),
    ...contents,
    ...prefixes,
  ]);
}

type Page = ReturnType<typeof listPage>;
type Query = ReadonlyMap<string, string>;

function v2Fields(query: Query, page: Page, encode: (text: string) => string): Element[] {
  const [token, startAfter] = [query.get('continuation-token'), query.get('start-after')];
  return [
    ['KeyCount', page.keys.length + page.prefixes.length],
    token === undefined ? null : ['ContinuationToken', token],
    startAfter === undefined ? null : ['StartAfter', encode(startAfter)],
    page.next === null ? null : ['NextContinuationToken', Buffer.from(page.next).toString('base64url')],
  ];
}

function v1Fields(query: Query, page: Page, encode: (text: string) => string): Element[] {
  return [
    ['Marker', encode(query.get('marker') ?? '')],
    page.next === null ? null : ['NextMarker', encode(page.next)],
  ];
}

function startOfPage(query: Query): string {
  const token = query.get('continuation-token');
  if (token === undefined) return query.get('start-after') ?? '';
  const text = Buffer.from(token, 'base64url').toString();
  if (text === '' || Buffer.from(text).toString('base64url') !== token) {
    throw new S3Error('InvalidArgument', 'the continuation token is not one of ours');
  }
  return text;
}

function encoder(query: Query): (text: string) => string {
  const type = query.get('encoding-type');
  if (type === undefined) return (text) => text;
  if (type !== 'url') throw new S3Error('InvalidArgument', 'encoding-type has to be url');
  return (text) => uriEncode(text).replaceAll('%2F', '/');
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
