import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importsIn, importsOfCode } from '../../../src/zygote/imports-of-code.ts';
import { makeTestDir, removeEmptyRoot } from '../../helpers/test-root.ts';

test.each([
  ['import numpy', ['numpy']],
  ['import numpy as np, scipy.stats as st  # both', ['numpy', 'scipy.stats']],
  ['from flask import Flask, request', ['flask', 'flask.Flask', 'flask.request']],
  ['from a.b import (\n  c,  # one\n  d as e,\n)', ['a.b', 'a.b.c', 'a.b.d']],
  ['def handler(event):\n    import pandas; return 1', ['pandas']],
  ['from . import own', []],
  ['from x import *', ['x']],
  ['important = 1\nfromage = 2\n', []],
  ['import a,\\\n  b', ['a']],
])('%j imports %j', (text, expected) => {
  expect(importsIn(text)).toEqual(expected);
});

test('those of all files beside the function’s own, each once', async () => {
  const dir = await makeTestDir();
  await writeFile(join(dir, 'lambda_func.py'), 'import json, helpers\n');
  await writeFile(join(dir, 'helpers.py'), 'import json\nfrom yaml import safe_load\n');
  await writeFile(join(dir, 'notes.txt'), 'import nothing\n');
  await mkdir(join(dir, 'lib'));
  expect(await importsOfCode({ dir })).toEqual(['helpers', 'json', 'yaml', 'yaml.safe_load']);
  await rm(dir, { recursive: true });
  await removeEmptyRoot();
});
