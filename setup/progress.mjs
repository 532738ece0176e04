/** One line a step on stderr; on a terminal, a step that takes longer than a second shows that it moves. */
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const QUIET_MS = 1000;
const CLEAR = '\r\x1b[2K';

/** Does `work` and returns its result, with one line that says `label` and how it went. */
export async function step(label, work, { stream = process.stderr, env = process.env } = {}) {
  if (!isLive(stream, env)) {
    stream.write(`${label}\n`);
    return work();
  }
  return liveStep(label, work, stream, painter(env));
}

async function liveStep(label, work, stream, paint) {
  const start = performance.now();
  const draw = (mark) => stream.write(`${CLEAR}${mark} ${shortened(label, stream)}${taken(start)}`);
  draw(' ');
  let frame = 0;
  const timer = setInterval(() => {
    if (performance.now() - start >= QUIET_MS) draw(paint(36, FRAMES[frame++ % FRAMES.length]));
  }, FRAME_MS);
  let mark = paint(31, '✖');
  try {
    const result = await work();
    mark = paint(32, '✔');
    return result;
  } finally {
    clearInterval(timer);
    draw(mark);
    stream.write('\n');
  }
}

function isLive(stream, env) {
  const isCi = env.CI !== undefined && env.CI !== '' && env.CI !== 'false';
  return stream.isTTY === true && !isCi && env.TERM !== 'dumb';
}

function painter(env) {
  const isPlain = env.NO_COLOR !== undefined && env.NO_COLOR !== '';
  return (color, text) => (isPlain ? text : `\x1b[${color}m${text}\x1b[39m`);
}

/** A line that wraps could not be drawn over. A terminal that does not know its width says 0. */
function shortened(label, stream) {
  return label.slice(0, Math.max(20, (stream.columns || 80) - 12));
}

function taken(start) {
  const ms = performance.now() - start;
  return ms < QUIET_MS ? '' : `  ${Math.floor(ms / 1000)} s`;
}
