// Loaded before the TypeScript of the npm scripts, which an older Node could only answer with a stack trace.
if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `Development needs Node 24 or newer, this is ${process.versions.node} (${process.execPath}). On Linux npm ci installs ` +
      'one into node_modules unless optional dependencies are omitted: run npm ci, then the npm script again.',
  );
  process.exit(1);
}
