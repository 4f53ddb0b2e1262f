/**
 * Node's HTTP/1.1, without what an `import` of it brings along: that reads all exports of the module, and those of browsers
 * among them (`WebSocket` …) load a whole second client, 13 MB of each process.
 */
export const http = process.getBuiltinModule('node:http');
