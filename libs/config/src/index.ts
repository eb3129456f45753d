export { z } from 'zod';
export { createChangedConfig } from './changed-config.ts';
export { ConfigError, type ConfigProblem, loadConfig, parseConfig } from './load-config.ts';
export { Secret, secretFile, secretFolder, withBaseFolder, withFiles } from './secret.ts';
export { channelTargets, LogConfig, port, RedisConfig, ServerConfig, target } from './service-config.ts';
