#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { version } from '../version.js';
import { addBuild } from './build.js';
import { addEvaluate } from './evaluate.js';
import { addForecast } from './forecast.js';
import { addInfo } from './info.js';
import { addInspect } from './inspect.js';
import { oneLine } from './output.js';
import { addTrain } from './train.js';

const program = new Command('convlstm')
  .description('ConvLSTM: forecast frames, train models, inspect weights')
  .version(version)
  .exitOverride()
  .configureOutput({
    outputError: (text, write) => write(`convlstm: ${oneLine(text.replace(/^error: /, ''))}\n`),
  });
for (const add of [addForecast, addTrain, addEvaluate, addInspect, addInfo, addBuild]) add(program);
program.addHelpText(
  'after',
  '\nExit codes: 0 success, 1 failure, 2 bad arguments. See also `convlstm COMMAND --help`.',
);

// A closed pipe, as of `convlstm --help | head -1`, or terminal (EIO) is not a failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its message already. Help and version have exit code 0.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.stderr.write(
      `convlstm: ${oneLine(error instanceof Error ? error.message : String(error))}\n`,
    );
    process.exitCode = 1;
  }
}
