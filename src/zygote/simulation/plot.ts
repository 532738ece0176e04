import type { Replayed } from './replay.ts';

/** A drawing has two panels, one for each figure, with the same axis of memory. */
const PANELS = [
  { title: 'median latency, ms', figureOf: (one: Replayed) => one.p50Ms },
  { title: '99th percentile, ms', figureOf: (one: Replayed) => one.p99Ms },
] as const;

const PANEL = { width: 380, height: 300, left: 56, top: 40, gap: 70 };
const LEGEND_WIDTH = 150;
/** Colours that people with any kind of sight tell apart (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

/** Turns values into places, by their logarithms: twice as much is as far everywhere. */
interface Scale {
  readonly ticks: readonly number[];
  place(value: number): number;
}

/** An SVG of latency against memory: a line for each policy that takes memory, a dashed level for each that takes none. */
export function plot(results: readonly Replayed[]): string {
  const names = [...new Set(results.map(({ policy }) => policy))];
  const memory = memoryScale(results);
  const panels = PANELS.map((panel, index) => {
    const x = PANEL.left + index * (PANEL.width + PANEL.gap);
    return `<g transform="translate(${x} ${PANEL.top})">\n${panelOf(panel, results, names, memory)}\n</g>`;
  });
  const width = PANEL.left + PANELS.length * (PANEL.width + PANEL.gap) + LEGEND_WIDTH;
  const height = PANEL.top + PANEL.height + 60;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<title>Latency against memory, by policy of the import cache</title>',
    '<rect width="100%" height="100%" fill="white"/>',
    ...panels,
    legend(names, width - LEGEND_WIDTH),
    '</svg>\n',
  ].join('\n');
}

function panelOf(
  { title, figureOf }: (typeof PANELS)[number],
  results: readonly Replayed[],
  names: readonly string[],
  memory: Scale,
): string {
  const latency = scale(results.map(figureOf), [1, 2, 5], 10, (part) => PANEL.height * (1 - part));
  const lines = names.map((name, index) => {
    const own = results.filter(({ policy }) => policy === name).sort((a, b) => a.peakKb - b.peakKb);
    const points = own.map((one) => ({ kb: one.peakKb, y: latency.place(figureOf(one)) }));
    return series(points, memory, colour(index));
  });
  return [
    `<text x="0" y="-14" font-weight="bold">${title}</text>`,
    ...latency.ticks.map((tick) => tickAcross(latency.place(tick), String(tick))),
    ...memory.ticks.map((tick) => tickDown(memory.place(tick), String(tick))),
    `<text x="${PANEL.width / 2}" y="${PANEL.height + 40}" text-anchor="middle">memory of the zygotes, MiB</text>`,
    ...lines,
  ].join('\n');
}

function series(points: readonly { kb: number; y: number }[], memory: Scale, stroke: string): string {
  const level = points.find(({ kb }) => kb === 0);
  if (level !== undefined) {
    return `<path d="M0 ${at(level.y)}H${PANEL.width}" fill="none" stroke="${stroke}" stroke-width="2" stroke-dasharray="6 4"/>`;
  }
  const places = points.map(({ kb, y }) => [at(memory.place(kb / 1024)), at(y)] as const);
  const line = places.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x} ${y}`).join('');
  const dots = places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3.5" fill="${stroke}"/>`);
  return [`<path d="${line}" fill="none" stroke="${stroke}" stroke-width="2"/>`, ...dots].join('\n');
}

function memoryScale(results: readonly Replayed[]): Scale {
  const used = results.filter(({ peakKb }) => peakKb > 0).map(({ peakKb }) => peakKb / 1024);
  return scale(used, [1], 2, (part) => PANEL.width * part);
}

/** Ticks are `steps` times powers of `base`; the first is below all values and the last above. */
function scale(
  values: readonly number[],
  steps: readonly number[],
  base: number,
  spread: (part: number) => number,
): Scale {
  const [low, high] = [Math.max(0.01, Math.min(...values, 1e9)), Math.max(...values, 0.02)];
  const powers = Array.from({ length: 60 }, (_, index) => base ** (index - 20));
  const all = powers.flatMap((power) => steps.map((step) => Number((step * power).toPrecision(12))));
  const first = all.findLastIndex((tick) => tick <= low);
  const last = all.findIndex((tick) => tick >= high);
  const ticks = all.slice(Math.max(0, first), Math.max(first + 1, last) + 1);
  const [from, to] = [Math.log(ticks[0] ?? 1), Math.log(ticks.at(-1) ?? 2)];
  return { ticks, place: (value) => spread((Math.log(Math.max(value, 1e-9)) - from) / (to - from)) };
}

function tickAcross(y: number, text: string): string {
  const line = `<path d="M0 ${at(y)}H${PANEL.width}" stroke="#ddd"/>`;
  return `${line}<text x="-8" y="${at(y + 4)}" text-anchor="end">${text}</text>`;
}

function tickDown(x: number, text: string): string {
  const line = `<path d="M${at(x)} 0V${PANEL.height}" stroke="#ddd"/>`;
  return `${line}<text x="${at(x)}" y="${PANEL.height + 18}" text-anchor="middle">${text}</text>`;
}

function legend(names: readonly string[], x: number): string {
  const rows = names.map((name, index) => {
    const y = PANEL.top + 10 + index * 20;
    return `<rect x="${x}" y="${y - 9}" width="14" height="10" fill="${colour(index)}"/><text x="${x + 20}" y="${y}">${name}</text>`;
  });
  return rows.join('\n');
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? '#000000';
}

function at(value: number): string {
  return value.toFixed(1);
}
