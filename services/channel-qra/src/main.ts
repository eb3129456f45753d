import { runChannel } from '@tillmesh/channel-kit';
import { qra } from './channel.ts';

await runChannel(qra, '0.1.0');
