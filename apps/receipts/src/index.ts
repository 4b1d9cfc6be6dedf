export { run, startReceipts } from './main.ts';
export { buildReceipts, type ReceiptsDeps } from './server.ts';
