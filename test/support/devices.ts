import { backendInfo, type Device } from '../../src/index.js';

const { binary, cuda } = backendInfo();

/** Every kind of device that this machine has. */
export const devices: Device[] = [
  ...(binary.loaded ? (['cpu'] as const) : []),
  'javascript',
  ...(cuda.devices[0]?.reason === '' ? (['cuda:0'] as const) : []),
];
