import { expect, test } from 'vitest';
import { UnderWay } from '../../../../src/registry/bundle/under-way.ts';

/** Pieces of work that end when they are told to. */
function makePieces() {
  const begun: PromiseWithResolvers<void>[] = [];
  const work = () => {
    const piece = Promise.withResolvers<void>();
    begun.push(piece);
    return piece.promise;
  };
  return { begun, work };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('no more pieces are under way than there may be; the next begins when one has ended', async () => {
  const { begun, work } = makePieces();
  const underWay = new UnderWay(2);
  await underWay.begin(work);
  await underWay.begin(work);
  const third = underWay.begin(work);
  await turn();
  expect(begun.length).toBe(2);
  begun[1]?.resolve();
  await third;
  expect(begun.length).toBe(3);
});

test('it is settled when the last piece has ended', async () => {
  const { begun, work } = makePieces();
  const underWay = new UnderWay(4);
  await underWay.begin(work);
  await underWay.begin(work);
  let isSettled = false;
  const settled = underWay.settled().then(() => {
    isSettled = true;
  });
  begun[0]?.resolve();
  await turn();
  expect(isSettled).toBe(false);
  begun[1]?.resolve();
  await settled;
  await new UnderWay(1).settled();
});

test('after a failure no piece is begun, and the failure is thrown when the others have ended', async () => {
  const { begun, work } = makePieces();
  const underWay = new UnderWay(3);
  await underWay.begin(work);
  await underWay.begin(work);
  begun[0]?.reject(new Error('no room'));
  await turn();
  let isOver = false;
  const next = underWay.begin(work).finally(() => {
    isOver = true;
  });
  next.catch(() => {});
  await turn();
  expect({ isOver, begun: begun.length }).toEqual({ isOver: false, begun: 2 });
  begun[1]?.resolve();
  await expect(next).rejects.toThrow('no room');
  await expect(underWay.settled()).rejects.toThrow('no room');
});
