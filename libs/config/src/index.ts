export { LogConfig, port, RedisConfig, ServerConfig, target } from './common.ts';
export { ConfigError, type ConfigProblem, loadConfig, parseConfig } from './load-config.ts';
export { Secret, secretFile } from './secret.ts';
export { z } from 'zod';
