import { S3Error } from './errors.ts';
import * as buckets from './operations/buckets.ts';
import { completeUpload } from './operations/complete-upload.ts';
import * as multipart from './operations/multipart.ts';
import * as objects from './operations/objects.ts';
import type { Operation } from './operations/operation.ts';
import type { S3Request } from './request.ts';

/** Query parameters that choose another operation; of the others there is none here. */
const SUBRESOURCES = ['location', 'uploads', 'uploadId', 'delete'];
const PARAMETERS = [
  ...['list-type', 'prefix', 'delimiter', 'max-keys', 'continuation-token', 'start-after', 'encoding-type'],
  ...['fetch-owner', 'marker', 'max-uploads', 'max-parts', 'part-number-marker', 'partNumber', 'x-id'],
];
const PARAMETER_FORMS =
  /^(?:X-Amz-(?:Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Content-Sha256)|response-.*|x-amz-(?:meta-|checksum-|sdk-checksum-).*|x-amz-user-agent)$/i;
const HEADERS =
  /^x-amz-(?:date|content-sha256|decoded-content-length|trailer|user-agent|request-payer|checksum-.*|sdk-checksum-algorithm|mp-object-size|meta-.*)$/;
/** Headers that ask for what every object here has anyway. */
const SAID_ANYWAY: Readonly<Record<string, string>> = {
  'x-amz-acl': 'private',
  'x-amz-storage-class': 'STANDARD',
};

type Table = Readonly<Record<string, Operation>>;

const SERVICE: Table = { GET: buckets.listBuckets };
const BUCKET: Table = {
  PUT: buckets.createBucket,
  HEAD: buckets.headBucket,
  DELETE: buckets.deleteBucket,
  GET: buckets.listObjects,
  'GET location': buckets.bucketLocation,
  'GET uploads': multipart.listUploads,
  'POST delete': objects.deleteObjects,
};
const OBJECT: Table = {
  PUT: objects.putObject,
  GET: objects.getObject,
  HEAD: objects.getObject,
  DELETE: objects.deleteObject,
  'POST uploads': multipart.createUpload,
  'PUT uploadId': multipart.uploadPart,
  'POST uploadId': completeUpload,
  'DELETE uploadId': multipart.abortUpload,
  'GET uploadId': multipart.listParts,
};

/** Which operation is asked for. Throws MethodNotAllowed, and NotImplemented for what would be answered wrongly otherwise. */
export function findOperation({ method, bucket, key, query, headers }: S3Request): Operation {
  for (const name of query.keys()) {
    const isKnown = SUBRESOURCES.includes(name) || PARAMETERS.includes(name) || PARAMETER_FORMS.test(name);
    if (!isKnown) throw new S3Error('NotImplemented', `the query parameter ${name}`);
  }
  for (const [name, value] of headers) {
    if (!name.startsWith('x-amz-') || HEADERS.test(name) || SAID_ANYWAY[name] === value) continue;
    throw new S3Error('NotImplemented', `the header ${name}`);
  }
  if (query.has('partNumber') && !query.has('uploadId'))
    throw new S3Error('NotImplemented', 'a part of an object');
  const table = bucket === null ? SERVICE : key === null ? BUCKET : OBJECT;
  const word = SUBRESOURCES.find((name) => query.has(name));
  const operation = table[word === undefined ? method : `${method} ${word}`];
  if (operation === undefined) throw new S3Error('MethodNotAllowed');
  return operation;
}
