export { run, startWorker, type WorkerOptions } from './main.ts';
