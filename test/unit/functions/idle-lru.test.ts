import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Idle, IdleLru } from '../../../src/functions/idle-lru.ts';

class Member implements Idle {
  memoryKb: number;
  readonly name: string;
  readonly #evicted: string[];

  constructor(name: string, memoryKb: number, evicted: string[]) {
    this.name = name;
    this.memoryKb = memoryKb;
    this.#evicted = evicted;
  }

  evict(): void {
    this.#evicted.push(this.name);
  }
}

function lruOf(maxKb: number): {
  lru: IdleLru;
  evicted: string[];
  make: (name: string, kb: number) => Member;
} {
  const evicted: string[] = [];
  return { lru: new IdleLru({ maxKb }), evicted, make: (name, kb) => new Member(name, kb, evicted) };
}

test('beyond the bound the one goes that was used longest ago', () => {
  const { lru, evicted, make } = lruOf(10);
  const [a, b, c] = [make('a', 4), make('b', 4), make('c', 4)];
  lru.add(a);
  lru.add(b);
  lru.add(a);
  lru.add(c);
  expect(evicted).toEqual(['b']);
  expect(lru.totalKb).toBe(8);
});

test('the bound itself is within it', () => {
  const { lru, evicted, make } = lruOf(8);
  lru.add(make('a', 4));
  lru.add(make('b', 4));
  expect(evicted).toEqual([]);
});

test('one that is larger than the bound goes at once, and takes the others with it', () => {
  const { lru, evicted, make } = lruOf(8);
  lru.add(make('a', 4));
  lru.add(make('b', 9));
  expect(evicted).toEqual(['a', 'b']);
  expect(lru.totalKb).toBe(0);
});

test('one that has been taken out is not evicted any more, and may be taken out again', () => {
  const { lru, evicted, make } = lruOf(4);
  const a = make('a', 4);
  lru.add(a);
  lru.remove(a);
  lru.remove(a);
  lru.add(make('b', 4));
  expect(evicted).toEqual([]);
});

test('a new measurement counts, does not make it younger, and means nothing for one that is not idle', () => {
  const { lru, evicted, make } = lruOf(10);
  const [a, b, c] = [make('a', 4), make('b', 4), make('c', 4)];
  lru.add(a);
  lru.add(b);
  a.memoryKb = 7;
  lru.update(a);
  expect(evicted).toEqual(['a']);
  c.memoryKb = 100;
  lru.update(c);
  expect([lru.totalKb, evicted]).toEqual([4, ['a']]);
});

test('memory that changes between is taken off as it was put on', () => {
  const { lru, make } = lruOf(100);
  const a = make('a', 4);
  lru.add(a);
  a.memoryKb = 50;
  lru.remove(a);
  expect(lru.totalKb).toBe(0);
});

test('evicting one may take others out', () => {
  const lru = new IdleLru({ maxKb: 8 });
  const evicted: string[] = [];
  const second = { memoryKb: 4, evict: () => evicted.push('second') };
  const first = {
    memoryKb: 4,
    evict: () => {
      evicted.push('first');
      lru.remove(second);
    },
  };
  for (const one of [first, second, { memoryKb: 8, evict: () => evicted.push('third') }]) lru.add(one);
  expect([evicted, lru.totalKb]).toEqual([['first'], 8]);
});

test('the total is the sum of the members, within the bound, and nobody is evicted twice in a row', () => {
  const step = fc.tuple(fc.constantFrom('add', 'remove', 'update'), fc.nat({ max: 5 }), fc.nat({ max: 20 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lru = new IdleLru({ maxKb: 30 });
      const held = new Map<number, number>();
      const members = Array.from({ length: 6 }, (_, index) => ({
        memoryKb: 0,
        evict: () => expect(held.delete(index)).toBe(true),
      }));
      for (const [what, index, kb] of steps) {
        const member = members[index];
        if (member === undefined) continue;
        member.memoryKb = what === 'remove' ? member.memoryKb : kb;
        if (what === 'add' || (what === 'update' && held.has(index))) held.set(index, kb);
        else if (what === 'remove') held.delete(index);
        if (what === 'add') lru.add(member);
        else if (what === 'remove') lru.remove(member);
        else lru.update(member);
        expect(lru.totalKb).toBe([...held.values()].reduce((sum, one) => sum + one, 0));
        expect(lru.totalKb).toBeLessThanOrEqual(30);
      }
    }),
  );
});
