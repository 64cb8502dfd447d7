// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.20;

/// @notice Distributed proof of identification: names the wallet that the holder of an IPFS id is paid on.
/// @dev One contract per peer (section 3.2 of the paper).  Invariants:
///      - What the constructor was given, and the time it ran at, are all this contract ever says: it has no storage,
///        no owner, nothing payable and no way to end.
///      - The three values are part of the runtime code and nothing else in it varies, so whoever knows the template
///        checks a claim by comparing code.
///      - It does not prove that its deployer holds the IPFS key: the claim's signature does, off the chain.
contract DPoID {
    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    /// @notice The IPFS id is all zeros, which is nobody's key.
    error NoIpfsId();

    /// @notice The wallet is the zero address, which would burn every payment.
    error NoWallet();

    /*//////////////////////////////////////////////////////////////
                                  TYPES
    //////////////////////////////////////////////////////////////*/

    /// @notice Proof of identification.
    /// @param ipfsId The Ed25519 public key that a base58 IPFS id wraps.
    /// @param wallet Where payments for this peer's models go.
    struct PoID {
        bytes32 ipfsId;
        address wallet;
    }

    /*//////////////////////////////////////////////////////////////
                               IMMUTABLES
    //////////////////////////////////////////////////////////////*/

    bytes32 private immutable ipfsId;
    address private immutable wallet;
    uint256 private immutable timestamp;

    /*//////////////////////////////////////////////////////////////
                               CONSTRUCTOR
    //////////////////////////////////////////////////////////////*/

    constructor(PoID memory poid) {
        if (poid.ipfsId == 0) revert NoIpfsId();
        if (poid.wallet == address(0)) revert NoWallet();

        ipfsId = poid.ipfsId;
        wallet = poid.wallet;
        timestamp = block.timestamp;
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice The two fields of the PoID.
    /// @dev Not a PoID in memory, which has the same encoding and costs 11k gas more to deploy.
    function getPoid() external view returns (bytes32, address) {
        return (ipfsId, wallet);
    }

    /// @notice When the constructor ran, in Unix seconds of chain time.
    function getTimestamp() external view returns (uint256) {
        return timestamp;
    }
}
