export type { BalancedLossOptions } from './balanced.js';
export { balancedMseMae } from './balanced.js';
export { bceLoss, bceWithLogitsLoss } from './binary-cross-entropy.js';
export { crossEntropyLoss } from './cross-entropy.js';
export type { LossOptions, Reduction } from './reduction.js';
export type { HuberLossOptions } from './regression.js';
export { huberLoss, l1Loss, mseLoss } from './regression.js';
export { ssimLoss } from './ssim.js';
