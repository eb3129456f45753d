import { runChannel } from '@tillmesh/channel-kit';
import { sample } from './channel.ts';

await runChannel(sample, '0.1.0');
