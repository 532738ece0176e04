import type { Rule } from './rules.ts';

/** Every other file of `test/integration` is run in every cell, and so is every other test of a file that is. */
export const RULES: readonly Rule[] = [
  {
    files: ['admin', 'admin-policies', 'quickstart', 'refusals', 'runner', 'service', 'setup', 'terminal'],
    only: 'once',
    because: 'about commands and the set-up',
  },
  {
    files: ['admin-registry', 'admin-workers', 'bench', 'neighbours', 'old-kernel', 'packages-real'],
    only: 'once',
    because: 'makes a cluster, or a load, of its own',
  },
  {
    files: ['docker-crash', 'docker-images', 'docker-life', 'docker-refusals', 'docker-sandboxes'],
    only: 'once',
    because: 'about docker: it starts a daemon and workers of its own',
  },
  {
    files: ['native-zygote', 'package-zygote', 'package-zygote-bounds', 'packages-pip', 'scratch-quota'],
    only: 'once',
    because: 'about one engine alone, without a worker or on a disk of its own',
  },
  { files: ['matrix-smoke'], only: 'once', because: 'makes the cells by itself' },
];
