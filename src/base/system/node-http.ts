/**
 * Node's HTTP/1.1 without the cost of an `import`: that evaluates all exports of the module, some of which (`WebSocket`
 * …) load a second client, 13 MB in each process.
 */
export const http = process.getBuiltinModule('node:http');
