import { runChannel } from '@tillmesh/channel-kit';
import { unionpay } from './channel.ts';

await runChannel(unionpay, '0.1.0');
