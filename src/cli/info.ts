import type { Command } from 'commander';
import { backendInfo } from '../backend-info.js';
import { oneLine, printFields } from './output.js';

interface InfoOptions {
  json?: true;
}

function list(entries: readonly string[]): string {
  return entries.length === 0 ? 'none' : entries.join(', ');
}

export function addInfo(program: Command): void {
  program
    .command('info')
    .description('hardware of this machine and the part in use')
    .option('--json', 'JSON output')
    .action((options: InfoOptions) => {
      const info = backendInfo();
      if (options.json) {
        console.log(JSON.stringify(info, null, 2));
        return;
      }
      const { binary, cpu, cuda } = info;
      printFields([
        ['convlstm', info.version],
        ['node', `${process.version} ${process.platform}-${process.arch}`],
        [
          'binary',
          binary.loaded
            ? binary.path!
            : oneLine(`none, plain JavaScript computes: ${binary.reason}`),
        ],
        ['device', info.device],
        ['instruction set', `${cpu.isa} (of ${list(cpu.isas)})`],
        ['cpu features', list(cpu.features)],
        ['threads', String(cpu.threads)],
        [
          'cuda',
          cuda.devices.length > 0
            ? list(cuda.devices.map(({ name, reason }) => (reason ? `${name} (${reason})` : name)))
            : `none: ${cuda.reason}`,
        ],
      ]);
    });
}
