import { backendInfo, type Device } from '../../src/index.js';

const { binary, cuda } = backendInfo();

/** The devices of this machine, one of each kind. */
export const devices: Device[] = [
  ...(binary.loaded ? (['cpu'] as const) : []),
  'javascript',
  ...(cuda.devices[0]?.reason === '' ? (['cuda:0'] as const) : []),
];
