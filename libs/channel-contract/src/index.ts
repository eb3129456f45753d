export { CONTRACT_TIMES, type Contract, type ContractRefusal, type ContractTimes, whyUnworkable } from './contract.ts';
export { allocateIn, type ContractLease, createContractLease, keepLeases, type Place } from './contract-lease.ts';
