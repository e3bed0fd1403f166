// check-release.mjs TAG REPOSITORY: a release's tag, package.json and CHANGELOG.md agree, and provenance
// will name this repository.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const [tag, repository] = process.argv.slice(2);
const root = path.dirname(import.meta.dirname);
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const changelog = readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8');
const problems = [];

if (tag !== `v${manifest.version}`) {
  problems.push(`tag: expected v${manifest.version}, the version of package.json, got ${tag}`);
}
if (!manifest.repository.url.endsWith(`/${repository}.git`)) {
  problems.push(
    `repository: package.json has ${manifest.repository.url}, this workflow runs in ${repository}`,
  );
}
if (!changelog.includes(`## [${manifest.version}] - `)) {
  problems.push(`CHANGELOG.md: no section "## [${manifest.version}] - DATE"`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
