export {
  type Config,
  ConfigError,
  describeConfig,
  type LogLevel,
  loadConfig,
  readSettings,
  type Settings,
} from './config.ts';
