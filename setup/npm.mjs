import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from './failure.mjs';
import { passSignals } from './launch.mjs';
import { end, identityOf, isAlive } from './process.mjs';

const LINES_SHOWN = 15;
const PID_FILE = 'npm-';
const QUIET = [
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--no-progress',
  '--no-update-notifier',
  '--loglevel=error',
];

/** Runs npm in `cwd`, silently. Throws a SetupError with npm's own words when it fails. */
export async function runNpm(args, cwd) {
  const [command, ...before] = npmCommand();
  const options = { cwd, env: npmEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] };
  const npm = spawn(command, [...before, ...args, ...QUIET], options);
  if (npm.pid !== undefined) writeFileSync(join(cwd, `${PID_FILE}${identityOf(npm.pid)}`), '');
  const words = [];
  for (const stream of [npm.stdout, npm.stderr])
    stream.setEncoding('utf8').on('data', (text) => words.push(text));
  const letGo = passSignals(npm);
  const [status, signal] = await once(npm, 'close').finally(letGo);
  if (status !== 0) throw npmFailed(args, words.join(''), signal);
}

/** Ends the npm that a killed set-up left at work in `cwd`; nobody waits for it any more. */
export async function endOrphan(cwd) {
  const files = readdirSync(cwd).filter((name) => name.startsWith(PID_FILE));
  for (const identity of files.map((name) => name.slice(PID_FILE.length))) {
    end(identity);
    while (isAlive(identity)) await sleep(10);
  }
}

function npmFailed(args, words, signal) {
  // npm says first what is wrong, and then how it is used.
  const lines = words.split('\n').filter((line) => !/^(npm error)?\s*$/.test(line));
  const details = lines.slice(0, LINES_SHOWN).join('\n');
  const how = signal === null ? 'failed' : `was ended by ${signal}`;
  const remedy =
    'mend what npm names above (often the network, a proxy, or the disk), then run the same command again';
  return new SetupError(`\`npm ${args[0]}\` ${how}: ${remedy}.`, { details });
}

/** The npm that started us, else the one beside this Node, else the one in PATH. */
function npmCommand() {
  const { npm_execpath: starter, PATH = '' } = process.env;
  if (starter !== undefined && basename(starter) === 'npm-cli.js' && existsSync(starter)) {
    return [process.execPath, starter];
  }
  const dirs = [dirname(process.execPath), ...PATH.split(delimiter).filter(Boolean)];
  const found = dirs.map((dir) => join(dir, 'npm')).find((path) => existsSync(path));
  if (found !== undefined) return [found];
  throw new SetupError('npm is neither beside this Node nor in PATH: install it with ./quickstart/deps.sh.');
}

/** What an outer `npm start` says about its own package must not steer an inner npm in another directory. */
function npmEnvironment() {
  const isOuter =
    /^(npm_(package|lifecycle|command|prefix|config_(local_prefix|omit|include|production|only|dry_run))|NODE_ENV$)/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOuter.test(name)));
  env.PATH = [dirname(process.execPath), process.env.PATH].filter(Boolean).join(delimiter);
  return env;
}
