/** Version of the package; a constant, since a bundle has no package.json beside it. */
export const version = '0.1.0';
