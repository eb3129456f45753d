import { runChannel } from '@tillmesh/channel-kit';
import { alipay } from './channel.ts';

await runChannel(alipay, '0.1.0');
