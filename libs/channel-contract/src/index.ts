export {
  allocateIn,
  CONTRACT_TIMES,
  type Contract,
  type ContractLease,
  type ContractTimes,
  createContractLease,
  emergencyShareOf,
  keepLeases,
} from './contract-lease.ts';
export { type Slot, Slots } from './slots.ts';
