/** Types of the part of node-gyp-build in use; the package has none. */
declare module 'node-gyp-build' {
  const nodeGypBuild: {
    /** The binary in `directory`'s build/ or prebuilds/, or beside the executable; throws if none fits. */
    path(directory: string): string;
  };
  export default nodeGypBuild;
}
