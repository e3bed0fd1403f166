import { backendInfo, type Device } from '../../src/index.js';

/** Every device of this machine that can be named without a CUDA index. */
export const devices: Device[] = backendInfo().binary.loaded
  ? ['cpu', 'javascript']
  : ['javascript'];
