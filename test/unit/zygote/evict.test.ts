import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evict } from '../../../src/zygote/evict.ts';
import type { ZygoteNode } from '../../../src/zygote/tree.ts';
import { anyTree, zygote } from './nodes.ts';

test('nobody goes where there is room', () => {
  expect(evict([zygote({ id: 1 })], 0)).toEqual([]);
  expect(evict([zygote({ id: 1 })], -5)).toEqual([]);
  expect(evict([], 100)).toEqual([]);
});

test('what saves the least for its memory goes first', () => {
  const tree = [
    zygote({ id: 1, importMs: 100, kb: 1000, uses: 9 }),
    zygote({ id: 2, importMs: 100, kb: 50_000, uses: 9 }),
    zygote({ id: 3, importMs: 100, kb: 1000, uses: 50 }),
  ];
  expect(evict(tree, 1)).toEqual([2]);
  expect(evict(tree, 50_001)).toEqual([2, 1]);
});

test('what was popular long ago goes before what is used now', () => {
  const old = zygote({ id: 1, uses: 100, lastUsed: 0 });
  const now = zygote({ id: 2, uses: 10, lastUsed: 20_000 });
  expect(evict([old, now], 1)).toEqual([1]);
});

test('one that has just been made is not the first to go', () => {
  const fresh = zygote({ id: 2, importMs: 200, lastUsed: 10 });
  expect(evict([fresh, zygote({ id: 1, importMs: 5, uses: 8, lastUsed: 9 })], 1)).toEqual([1]);
});

test('a parent goes after its last child, and not at all where that one is at work', () => {
  const parent = zygote({ id: 1, children: 1 });
  expect(evict([parent, zygote({ id: 2, parent: 1, uses: 9 })], 1500)).toEqual([2, 1]);
  expect(evict([parent, zygote({ id: 2, parent: 1, busy: true })], 1500)).toEqual([]);
});

test('a small one does not go where a larger one has to go anyway', () => {
  const tree = [zygote({ id: 1, kb: 10, uses: 0, importMs: 0 }), zygote({ id: 2, kb: 5000, uses: 1 })];
  expect(evict(tree, 4000)).toEqual([2]);
  expect(evict(tree, 5005)).toEqual([1, 2]);
});

test('what is kept stays; or, where even that has to go, goes last', () => {
  const kept = zygote({ id: 1, isKept: true });
  const used = zygote({ id: 2, uses: 100 });
  expect(evict([kept, used], 1500)).toEqual([2]);
  expect(evict([kept, used], 1500, { evenKept: true })).toEqual([2, 1]);
  expect(evict([kept, used], 500, { evenKept: true })).toEqual([2]);
});

test('another measure of the benefit may be given, and who is to stay', () => {
  const tree = [zygote({ id: 1, uses: 100 }), zygote({ id: 2 }), zygote({ id: 3 })];
  expect(evict(tree, 1, { benefitOf: ({ id }) => -id })).toEqual([3]);
  expect(evict(tree, 1, { benefitOf: ({ id }) => -id, keep: new Set([3]) })).toEqual([2]);
});

const anyOver = fc.integer({ min: 1, max: 200_000 });

function kbOf(nodes: readonly ZygoteNode[], ids: readonly number[]): number {
  return nodes.filter(({ id }) => ids.includes(id)).reduce((sum, { kb }) => sum + kb, 0);
}

/** Leaves that could still go when these are gone. */
function leavesWithout(nodes: readonly ZygoteNode[], gone: readonly number[]): ZygoteNode[] {
  const left = nodes.filter(({ id }) => !gone.includes(id));
  return left.filter(({ id, busy, isKept }) => !busy && !isKept && !left.some(({ parent }) => parent === id));
}

test('it never ends the parent of a child, nor one at work, nor one that is kept, whatever the tree', () => {
  fc.assert(
    fc.property(anyTree, anyOver, fc.boolean(), (nodes, overKb, evenKept) => {
      const living = new Set(nodes);
      for (const id of evict(nodes, overKb, { evenKept })) {
        const node = [...living].find((one) => one.id === id);
        expect(node?.busy).toBe(false);
        expect(node?.isKept && !evenKept).toBe(false);
        expect([...living].filter(({ parent }) => parent === id)).toEqual([]);
        if (node !== undefined) living.delete(node);
      }
    }),
  );
});

test('it gives back enough where that is possible, and nobody goes for nothing', () => {
  fc.assert(
    fc.property(anyTree, anyOver, (nodes, overKb) => {
      const gone = evict(nodes, overKb);
      const freedKb = kbOf(nodes, gone);
      if (freedKb < overKb) expect(leavesWithout(nodes, gone)).toEqual([]);
      for (const id of gone) {
        const node = nodes.find((one) => one.id === id);
        const parentStays = node?.parent === null || !gone.includes(node?.parent ?? 0);
        if (freedKb >= overKb && parentStays) expect(freedKb - (node?.kb ?? 0)).toBeLessThan(overKb);
      }
    }),
  );
});

test('the order of the nodes makes no difference', () => {
  fc.assert(
    fc.property(anyTree, anyOver, (nodes, overKb) => {
      expect(evict(nodes.toReversed(), overKb)).toEqual(evict(nodes, overKb));
    }),
  );
});
