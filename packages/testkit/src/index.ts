export * from './servers.ts';
export { vendorSuite } from './vendor-suite.ts';
