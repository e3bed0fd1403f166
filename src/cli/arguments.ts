/** Arguments shared by commands. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Precision } from '../../binding.js';
import { backendOf, type Device } from '../backend.js';
import { kPrecisions, setFloat32Precision } from '../precision.js';

/** @throws InvalidArgumentError */
export function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('Expected a positive integer.');
}

/** @throws InvalidArgumentError */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number.');
}

/** Options of a command that computes. */
export interface ComputingOptions {
  device?: Device;
  precision?: Precision;
}

/** Adds `--device` and `--precision`, which become the defaults of the process. */
export function addComputing(command: Command, precisionDefault: string): Command {
  const precision = new Option(
    '--precision <name>',
    `of convolutions; ${precisionDefault} by default`,
  );
  return command
    .option(
      '--device <name>',
      'cpu, javascript, cuda, cuda:1, ... or auto; CONVLSTM_DEVICE, else cpu, by default',
    )
    .addOption(precision.choices(kPrecisions))
    .hook('preAction', () => {
      const { device, precision } = command.opts<ComputingOptions>();
      if (device !== undefined) {
        backendOf(device); // refuses unknown and absent devices
        process.env['CONVLSTM_DEVICE'] = device;
      }
      if (precision !== undefined) setFloat32Precision(precision);
    });
}
