import { runChannel } from '@tillmesh/channel-kit';
import { stripe } from './channel.ts';

await runChannel(stripe, '0.1.0');
