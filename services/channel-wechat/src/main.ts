import { runChannel } from '@tillmesh/channel-kit';
import { wechat } from './channel.ts';

await runChannel(wechat, '0.1.0');
