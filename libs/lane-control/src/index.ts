export { bindLanes } from './lane-service.ts';
