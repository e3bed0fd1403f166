// What README.md and docs/ show runs: every js or ts block that imports the package is a program of
// its own, run against what `npm run build:ts` built; shell blocks name scripts and files that exist.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { runProgram } from './support/program.js';

const root = path.dirname(import.meta.dirname);
const folder = path.join(root, '.cache', 'readme');
const scratch = mkdtempSync(path.join(tmpdir(), 'convlstm-readme-'));

interface Block {
  /** `README.md:42` */
  place: string;
  language: string;
  /** What follows the language: `no-run` for a block that needs what is not here. */
  info: string;
  text: string;
}

function blocksOf(file: string): Block[] {
  const markdown = readFileSync(path.join(root, file), 'utf8');
  return [...markdown.matchAll(/^```(\w+)([^\n]*)\n(.*?)^```/gms)].map((match) => ({
    place: `${file}:${markdown.slice(0, match.index).split('\n').length}`,
    language: match[1]!,
    info: match[2]!.trim(),
    text: match[3]!,
  }));
}

const pages = readdirSync(path.join(root, 'docs')).filter((file) => file.endsWith('.md'));
const blocks = ['README.md', 'CONTRIBUTING.md', ...pages.map((page) => `docs/${page}`)].flatMap(
  blocksOf,
);
const programs = blocks.filter(
  ({ language, text }) => ['js', 'ts'].includes(language) && text.includes("from 'convlstm'"),
);
const runnable = programs.filter(({ info }) => info !== 'no-run');
const shown = programs.filter(({ info }) => info === 'no-run');
const shell = blocks.filter(({ language }) => ['sh', 'bash'].includes(language));

function toJavaScript(text: string): string {
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const { outputText, diagnostics } = ts.transpileModule(text, {
    compilerOptions,
    reportDiagnostics: true,
  });
  expect(diagnostics?.map(({ messageText }) => messageText)).toEqual([]);
  return outputText;
}

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

describe('programs', () => {
  mkdirSync(folder, { recursive: true });

  it('are found', () => {
    expect(runnable.length).toBeGreaterThan(3);
  });

  it.each(runnable)('$place', async ({ place, text }) => {
    const file = path.join(folder, `${place.replaceAll(/\W/g, '-')}.mjs`);
    writeFileSync(file, toJavaScript(text));
    const result = await runProgram(file, { cwd: scratch });
    expect(result.stderr).toBe('');
    expect(result.exitCode).toBe(0);
  });
});

describe.runIf(shown.length > 0)('programs that need files of the reader’s', () => {
  it.each(shown)('$place imports what there is', async ({ text }) => {
    const [, names] = /import \{([^}]*)\} from 'convlstm'/.exec(toJavaScript(text))!;
    const face = Object.keys(await import('../src/index.js'));
    for (const name of names!.split(',')) expect(face).toContain(name.trim());
  });
});

describe('commands', () => {
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const lines = shell.flatMap(({ place, text }) =>
    text.split('\n').map((line) => ({ place, line: line.trim().replace(/\s+#.*$/, '') })),
  );

  it.each(lines.filter(({ line }) => /^npm (run|test)/.test(line)))('$place: $line', ({ line }) => {
    const script = /^npm run ([\w:-]+)/.exec(line)?.[1] ?? 'test';
    expect(manifest.scripts).toHaveProperty([script]);
  });

  it.each(lines.filter(({ line }) => /^(node|bash|python3) /.test(line)))(
    '$place: $line',
    ({ line }) => {
      const file = line.split(/\s+/).find((word) => /\.(mjs|js|sh|py)$/.test(word));
      if (file) expect(existsSync(path.join(root, file))).toBe(true);
    },
  );
});
